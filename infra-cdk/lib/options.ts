// What a caller may say with `-c name=value`, parsed once.
import { isAbsolute, join, resolve } from 'node:path';
import { existsSync } from 'node:fs';
import type { Node } from 'constructs';
import { REPOSITORY } from './paths';
import { type ArchitectureName, type Profile, profileNamed } from './profiles';
import { UsageError } from './usage-error';

export interface Options {
  readonly profile: Profile;
  /** Folder of built functions: `<function>.zip` or `<function>/bootstrap`. Without it, placeholders. */
  readonly artifacts?: string;
  /** Folder of connector manifests; those that are targets get an outbound queue. */
  readonly connectors: string;
  /** PEM file on this machine that local functions trust besides the public roots. */
  readonly extraCaFile?: string;
  readonly timeScale: string;
  /** PEM file of Amazon RDS's authorities, for functions that reach Aurora without a proxy. */
  readonly databaseCertificates?: string;
  /** A WAF web ACL of scope CLOUDFRONT: puts CloudFront with it in front of the webhooks. */
  readonly webAclArn?: string;
  /** `https://` and the host that senders call, if it is not the API's own. */
  readonly publicOrigin?: string;
}

/** Reads the options of the app whose node this is; a fault in them is a UsageError. */
export function readOptions(node: Node): Options {
  const given = (name: string): string | undefined => {
    const value: unknown = node.tryGetContext(name);
    return value === undefined || value === '' ? undefined : String(value);
  };
  const givenPath = (name: string): string | undefined => {
    const path = given(name);
    return path === undefined ? undefined : existing(name, path);
  };
  const profile = withArchitecture(profileNamed(given('profile')), given('architecture'));
  const extraCaFile = given('extraCaFile');
  if (extraCaFile !== undefined && profile.name !== 'local') {
    throw new UsageError('extraCaFile is for the local profile: it names a file of this machine');
  }
  if (extraCaFile !== undefined && !isAbsolute(extraCaFile)) {
    throw new UsageError(`extraCaFile must be an absolute path, for functions run elsewhere: ${extraCaFile}`);
  }
  return {
    profile,
    connectors: existing('connectors', given('connectors') ?? join(REPOSITORY, 'connectors')),
    timeScale: positiveNumber('timeScale', given('timeScale') ?? '1'),
    artifacts: givenPath('artifacts'),
    extraCaFile,
    databaseCertificates: givenPath('databaseCertificates'),
    webAclArn: given('webAclArn'),
    publicOrigin: origin('publicOrigin', given('publicOrigin')),
  };
}

function origin(option: string, text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  if (!URL.canParse(text) || new URL(text).origin !== text || !text.startsWith('https://')) {
    throw new UsageError(`${option} must be https:// and a host, without a path, not '${text}'`);
  }
  return text;
}

function withArchitecture(profile: Profile, name: string | undefined): Profile {
  if (name === undefined) return profile;
  if (name !== 'arm64' && name !== 'x86_64') {
    throw new UsageError(`Unknown architecture '${name}': use -c architecture=<arm64|x86_64>`);
  }
  const architecture: ArchitectureName = name;
  return { ...profile, functions: { ...profile.functions, architecture } };
}

function existing(option: string, path: string): string {
  const absolute = resolve(path);
  if (!existsSync(absolute)) throw new UsageError(`${option}: there is no ${absolute}`);
  return absolute;
}

function positiveNumber(option: string, text: string): string {
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0) throw new UsageError(`${option} must be a number above 0, not '${text}'`);
  return text;
}
