// The connectors that are targets: the folders of `connectors/` whose manifest has a `target:` key.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { UsageError } from '../usage-error';

// `fluxnex-production-outbound-<name>-dlq.fifo` has to fit the 80 characters of a queue name.
const NAME = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;
const NAME_LIMIT = 42;

/** Names of the target connectors in that folder, sorted. */
export function targetConnectors(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && isTarget(folder, entry.name))
    .map((entry) => checked(entry.name))
    .sort();
}

function isTarget(folder: string, name: string): boolean {
  const manifest = join(folder, name, 'connector.yaml');
  if (!existsSync(manifest)) return false;
  let document: unknown;
  try {
    document = parse(readFileSync(manifest, 'utf8'));
  } catch (error) {
    throw new UsageError(`${manifest} is not YAML: ${error instanceof Error ? error.message : String(error)}`);
  }
  return typeof document === 'object' && document !== null && 'target' in document;
}

function checked(name: string): string {
  if (NAME.test(name) && name.length <= NAME_LIMIT) return name;
  throw new UsageError(
    `Connector '${name}': a target's name is lower case words joined by '-', at most ${NAME_LIMIT} characters`,
  );
}
