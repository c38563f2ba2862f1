// Nothing beyond the defaults; the file keeps the build from asking for it.
export default {};
