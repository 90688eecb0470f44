/** The types of vite mention it, and it brings none. */
declare module "picomatch" {
  function picomatch(glob: string | string[], options?: object): (test: string) => boolean;
  export default picomatch;
}
