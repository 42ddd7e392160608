// Bundles the page: node build.mjs FOLDER. Writes FOLDER/index.html and FOLDER/assets/NAME-HASH.EXT, each asset also compressed (.gz) for web servers that
// send such files as they are. The same sources give the same bytes. Packages are taken from WEB_MODULES, a folder node_modules, or the one beside this
// file.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, extname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const source = dirname(fileURLToPath(import.meta.url));
const target = resolve(process.argv[2] ?? "dist");
const assets = join(target, "assets");
const modules = resolve(process.env.WEB_MODULES ?? join(source, "node_modules"));
const { build } = createRequire(join(modules, "any.js"))("esbuild");

// The page reads with marked's lexer alone. What would make HTML of it stands behind that in the file, and stays out.
const lexerAlone = {
  name: "lexer-alone",
  setup: ({ onLoad }) => onLoad({ filter: /marked\.esm\.js$/ }, ({ path }) => {
    const [lexer, rest] = readFileSync(path, "utf8").split("/**\n * Renderer\n */");
    if (!rest) throw new Error(`${path} is not the file that was expected`);
    return { contents: `${lexer}export { _Lexer as Lexer };` };
  }),
};

async function bundle() {
  const { outputFiles, metafile } = await build({
    absWorkingDir: source,
    entryPoints: ["main.js", "style/style.css"],
    nodePaths: [modules], plugins: [lexerAlone],
    bundle: true, splitting: true, minify: true, metafile: true, write: false,
    format: "esm", target: ["chrome123", "firefox128", "safari17.5"], charset: "utf8", legalComments: "none",
    outdir: assets, entryNames: "[name]-[hash]", chunkNames: "[name]-[hash]",
  });
  return { files: outputFiles.map(({ path, contents }) => ({ name: basename(path), contents })), outputs: metafile.outputs };
}

// A file that is taken as it is, under a name with its hash.
function plain(name) {
  const contents = readFileSync(join(source, name));
  const hash = createHash("sha256").update(contents).digest("hex").slice(0, 8).toUpperCase();
  return { name: `${basename(name, extname(name))}-${hash}${extname(name)}`, contents };
}

// What main.js imports from the start: told to the browser at once, so that it need not find out step by step.
function preloads(outputs, files) {
  const path = Object.keys(outputs).find((each) => outputs[each].entryPoint === "main.js");
  const names = outputs[path].imports.filter(({ kind }) => kind === "import-statement").map((each) => basename(each.path));
  return files.filter(({ name }) => names.includes(name)).map(({ name }) => `<link rel="modulepreload" href="/assets/${name}">`).join("\n");
}

function page(files, preload) {
  const address = (start, end) => `/assets/${files.find(({ name }) => name.startsWith(start) && name.endsWith(end)).name}`;
  return readFileSync(join(source, "index.html"), "utf8")
    .replace("{favicon.svg}", address("favicon-", ".svg"))
    .replace("{theme.js}", address("theme-", ".js"))
    .replace("{style.css}", address("style-", ".css"))
    .replace("{main.js}", address("main-", ".js"))
    .replace("{preload}\n", preload && `${preload}\n`);
}

function write(folder, { name, contents }) {
  writeFileSync(join(folder, name), contents);
  writeFileSync(join(folder, `${name}.gz`), gzipSync(contents, { level: 9 }));
}

const { files, outputs } = await bundle();
files.push(plain("theme.js"), plain("favicon.svg"));
rmSync(target, { recursive: true, force: true });
mkdirSync(assets, { recursive: true });
for (const file of files) write(assets, file);
write(target, { name: "index.html", contents: page(files, preloads(outputs, files)) });
for (const { name, contents } of files) console.log(`${relative(process.cwd(), join(assets, name))} ${contents.length} bytes, ${gzipSync(contents, { level: 9 }).length} compressed`);
