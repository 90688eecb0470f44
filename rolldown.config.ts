/** The bundles that are published and tested, and the licences of what is bundled. */
import { readFileSync } from "node:fs";
import { defineConfig, type Plugin } from "rolldown";
import { type LicenseInfo, licensePlugin } from "rolldown-license-plugin";

/** write-file-atomic names its temporary files after its own path, as CommonJS knows it. */
export const transform = { define: { __filename: "import.meta.filename", __dirname: "import.meta.dirname" } };

/** The licences (SPDX identifiers) that allow us to ship a package in a bundle with its licence text. */
const allowedLicences: readonly string[] = [
  "0BSD",
  "BlueOak-1.0.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "ISC",
  "MIT",
];

/** Packages that declare the MIT licence and an author, but have no file with the text. */
const withoutText: readonly string[] = ["abstract-logging", "pg-types", "pgpass"];

/** The file with the licence texts of all packages in the bundles. */
const noticesFile = "third-party-licences.txt";

/**
 * Writes {@link noticesFile}. The build fails if a bundled package has a licence that is not allowed, has no
 * licence text, or is not the version that the lockfile names.
 */
export function notices(): Plugin {
  return licensePlugin({
    allow: ({ license }) => allowedLicences.includes(license),
    failOnViolation: true,
    failOnUnlicensed: true,
    done(packages, build) {
      const { packages: locked } = readJson<Lockfile>("package-lock.json");
      const isLocked = ({ name, version }: LicenseInfo) =>
        Object.entries(locked).some(
          ([path, entry]) => path.endsWith(`node_modules/${name}`) && entry.version === version,
        );
      const notice = (entry: LicenseInfo) => {
        const { name, version, license } = entry;
        const text = licenceText(entry);
        if (text === "") build.error(`the package ${name} ${version} has no licence text to ship with it`);
        if (!isLocked(entry)) build.error(`package-lock.json does not have ${name} ${version}: run npm ci`);
        return `${name} ${version} (${license})\n\n${text}\n`;
      };
      const separator = `\n${"-".repeat(78)}\n\n`;
      const source = packages.map(notice).join(separator);
      build.emitFile({ type: "asset", fileName: noticesFile, source });
    },
  });
}

interface Lockfile {
  packages: Record<string, { version?: string }>;
}

function licenceText({ name, licenseText }: LicenseInfo): string {
  if (licenseText.trim() !== "" || !withoutText.includes(name))
    return licenseText.replaceAll("\r", "").trim();
  const { author } = readJson<{ author: string }>(`node_modules/${name}/package.json`);
  // The terms of the MIT licence, as our own file has them after its first two paragraphs.
  const [, , ...terms] = readText("LICENSE").trim().split("\n\n");
  return ["The MIT License", `Copyright (c) ${author}`, ...terms].join("\n\n");
}

function readJson<T>(path: string): T {
  return JSON.parse(readText(path)) as T;
}

function readText(path: string): string {
  return readFileSync(new URL(path, import.meta.url), "utf8");
}

const bundle = { platform: "node", transform } as const;
const output = { dir: "dist", format: "esm", entryFileNames: "[name].js" } as const;

export default defineConfig([
  // The published files are bundles: users never see the versions that the daemon is built from. The one
  // dependency that they install is zod, for the declaration files, which mention its types.
  {
    ...bundle,
    input: {
      sessiond: "src/daemon/entry.ts",
      sessionctl: "src/cli/sessionctl.ts",
      index: "src/client/index.ts",
    },
    plugins: [notices()],
    output: { ...output, cleanDir: true, chunkFileNames: "chunks/[name]-[hash].js" },
  },
  // What is not published has chunks of its own. Shared ones would cut those of the daemon smaller, and each
  // takes a descriptor at the start.
  {
    ...bundle,
    input: {
      "examples/demo": "examples/demo/demo.ts",
      "examples/session-manager-demo": "examples/session-manager-demo.ts",
      "examples/shared-worker": "examples/shared-worker.ts",
      "tools/config-schema": "src/config/print-schema.ts",
      "tools/check-worker": "src/conformance/check-worker.ts",
      "tools/man-pages": "systemd/man-pages.ts",
      "bench/bench": "bench/bench.ts",
    },
    output: { ...output, chunkFileNames: "tools/[name]-[hash].js" },
  },
]);
