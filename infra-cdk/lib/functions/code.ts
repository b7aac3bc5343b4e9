// Where a function's code comes from: what was built, or the placeholder.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { FileSystem, aws_lambda as lambda } from 'aws-cdk-lib';
import { PROJECT } from '../paths';
import { UsageError } from '../usage-error';
import type { FunctionName } from './catalogue';

export interface FunctionCode {
  readonly code: lambda.Code;
  /** Changes with the content, and with nothing else. */
  readonly fingerprint: string;
}

/** The built function in that folder (`<name>.zip`, else `<name>/bootstrap`), or the placeholder without one. */
export function codeOf(name: FunctionName, artifacts: string | undefined): FunctionCode {
  const path = artifacts === undefined ? join(PROJECT, 'placeholder') : builtIn(artifacts, name);
  return { code: lambda.Code.fromAsset(path), fingerprint: FileSystem.fingerprint(path) };
}

function builtIn(artifacts: string, name: FunctionName): string {
  const zip = join(artifacts, `${name}.zip`);
  if (existsSync(zip)) return zip;
  const folder = join(artifacts, name);
  if (existsSync(join(folder, 'bootstrap'))) return folder;
  throw new UsageError(`artifacts: neither ${zip} nor ${join(folder, 'bootstrap')} is there`);
}
