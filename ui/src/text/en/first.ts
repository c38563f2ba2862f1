// What is read before the first page shows.
export { shell } from "./shell";
export { welcome } from "./welcome";
