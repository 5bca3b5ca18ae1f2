/** Which members' exports of some namespaces this member takes over. */
export interface ImportPolicy {
  readonly name: string;
  /** As its API server counts its changes; 0 where nobody does. */
  readonly generation: number;
  /** Of services; `*` alone: all. */
  readonly namespaces: readonly string[];
  /** Whose exports join; `*` alone: everybody's, empty: nobody's. */
  readonly members: readonly string[];
}
