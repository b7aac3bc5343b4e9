// Environment variables against their one declaration, `functions/settings.json`, which the functions read too.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { REPOSITORY } from '../paths';
import type { FunctionName } from './catalogue';

interface Declaration {
  readonly required: Readonly<Record<string, string>>;
  readonly optional: Readonly<Record<string, string>>;
}

export type Settings = Readonly<Record<string, Declaration>>;

let cached: Settings | undefined;

/** The declarations, by function; `all` holds what every function gets. */
export function declaredSettings(): Settings {
  cached ??= JSON.parse(readFileSync(join(REPOSITORY, 'functions', 'settings.json'), 'utf8')) as Settings;
  return cached;
}

/** Throws unless the variables are exactly what the function declares: all that is required, nothing unknown. */
export function checkSettings(
  name: FunctionName,
  environment: Readonly<Record<string, string>>,
  settings: Settings = declaredSettings(),
): void {
  const declarations = [settings['all'], settings[name]];
  const required = declarations.flatMap((declaration) => Object.keys(declaration?.required ?? {}));
  const optional = declarations.flatMap((declaration) => Object.keys(declaration?.optional ?? {}));
  const lacking = required.filter((variable) => !(variable in environment));
  const unknown = Object.keys(environment).filter((v) => !required.includes(v) && !optional.includes(v));
  if (lacking.length === 0 && unknown.length === 0) return;
  const faults = [
    ...lacking.map((variable) => `it lacks ${variable}`),
    ...unknown.map((variable) => `it is given ${variable}, which is not declared`),
  ];
  throw new Error(`Function ${name} against functions/settings.json: ${faults.join('; ')}`);
}
