// What is read before the first page shows, in French.
export { shell } from "./shell";
export { welcome } from "./welcome";
