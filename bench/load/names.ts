/** The SNIs of so many exported services. */
export function snisOf(routes: number): string[] {
  return Array.from(
    { length: routes },
    (_, index) => `outbound_.80_._.s${index}.shop.svc.cluster.local`,
  );
}
