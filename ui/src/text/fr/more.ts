// What an open vault says beside it, in French.
export { data } from "./data";
export { datasets } from "./datasets";
export { home } from "./home";
export { jobs } from "./jobs";
export { licenses } from "./licenses";
export { rewards } from "./rewards";
export { settings } from "./settings";
export { terms } from "./terms";
export { trail } from "./trail";
