export function constraintsModule() {
  return "export {};\n";
}
