// esbuild turns these imports into the hashed URL of the file, or into the page's style sheet.
declare module "*.svg" {
  const url: string;
  export default url;
}
declare module "*.css";
