// The app as its users run it: from a fresh clone, with nothing built, without an account.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { FUNCTION_NAMES } from '../lib/functions/catalogue';
import { PROJECT } from '../lib/paths';
import { PROFILE_NAMES } from '../lib/profiles';
import { targetConnectors } from '../lib/queues/connectors';
import { FIXTURES, TARGETS, deployment } from './support';

const folder = mkdtempSync(join(tmpdir(), 'fluxnex-infra-'));
after(() => rmSync(folder, { recursive: true, force: true }));

interface Finished {
  readonly code: number;
  readonly output: string;
}

/** Runs a command in `infra-cdk/` without any AWS setting. */
function run(command: string, args: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<Finished> {
  const env = { PATH: process.env['PATH'], HOME: folder, CDK_VALIDATION: 'false', ...environment };
  return new Promise((resolve) => {
    execFile(command, args, { cwd: PROJECT, env }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1;
      resolve({ code, output: stdout + stderr });
    });
  });
}

test('the CLI synthesises with nothing built, without an account, and says what is not deployable', async () => {
  const output = join(folder, 'production');
  const args = ['synth', '--quiet', '--no-notices', '-c', 'profile=production', '-o', output];
  const finished = await run(join(PROJECT, 'node_modules', '.bin', 'cdk'), args);
  assert.equal(finished.code, 0, finished.output);
  assert.match(finished.output, /Not deployable: the functions are placeholders/);
  assert.ok(existsSync(join(output, 'FluxNex-production-Pipeline.template.json')));
});

for (const profile of PROFILE_NAMES) {
  test(`${profile}: looks nothing up, and the CDK's own rules find no fault`, () => {
    const { directory } = deployment(profile);
    const manifest = JSON.parse(readFileSync(join(directory, 'manifest.json'), 'utf8'));
    assert.equal(manifest.missing, undefined);
    const report = join(directory, 'validation-report.json');
    const plugins = existsSync(report) ? JSON.parse(readFileSync(report, 'utf8')).pluginReports : [];
    assert.deepEqual(plugins.flatMap((plugin: { violations: unknown[] }) => plugin.violations), []);
  });
}

function runApp(context: Readonly<Record<string, string>>): Promise<Finished> {
  const entry = join(PROJECT, 'dist', 'bin', 'fluxnex.js');
  return run(process.execPath, [entry], { CDK_CONTEXT_JSON: JSON.stringify(context) });
}

test('an unknown or missing profile is refused with the names there are', async () => {
  const unknown = await runApp({ profile: 'prod' });
  assert.equal(unknown.code, 1);
  assert.equal(unknown.output.trim(), "Unknown profile 'prod': use -c profile=<local|dev|staging|production>");
  const missing = await runApp({});
  assert.equal(missing.code, 1);
  assert.equal(missing.output.trim(), 'No profile given: use -c profile=<local|dev|staging|production>');
});

test('placeholders are refused at deployment: each stack then lacks the value of a parameter', () => {
  for (const template of deployment('production').templates) {
    assert.deepEqual(Object.keys(template.Parameters?.['FunctionsAreNotBuilt'] ?? {}).includes('Default'), false);
    assert.ok(template.Parameters?.['FunctionsAreNotBuilt']);
  }
});

test('built functions are taken from the folder, as zip or as folder with a bootstrap', () => {
  const artifacts = join(folder, 'artifacts');
  mkdirSync(artifacts);
  const [first, ...others] = FUNCTION_NAMES;
  writeFileSync(join(artifacts, `${first}.zip`), 'a zip');
  for (const name of others) {
    mkdirSync(join(artifacts, name));
    writeFileSync(join(artifacts, name, 'bootstrap'), `#!/bin/sh\n# ${name}\n`);
    chmodSync(join(artifacts, name, 'bootstrap'), 0o755);
  }
  const stacks = deployment('production', { artifacts });
  const keys = [...stacks.functions().values()].map(({ Properties }) => JSON.stringify(Properties['Code'].S3Key));
  assert.equal(new Set(keys).size, FUNCTION_NAMES.length);
  for (const template of stacks.templates) assert.equal('FunctionsAreNotBuilt' in (template.Parameters ?? {}), false);

  rmSync(join(artifacts, 'sweep'), { recursive: true });
  assert.throws(() => deployment('staging', { artifacts }), /sweep\.zip nor .*sweep.bootstrap is there/);
});

test('other code of migrate runs the migrations again, other code of another function does not', () => {
  const code = (artifacts: string): string => {
    const [migrations] = deployment('production', { artifacts }).all('Custom::Migrations').values();
    return migrations?.Properties['Code'];
  };
  const built = (name: string, changed?: string): string => {
    const artifacts = join(folder, name);
    mkdirSync(artifacts);
    for (const each of FUNCTION_NAMES) writeFileSync(join(artifacts, `${each}.zip`), each === changed ? 'new' : each);
    return artifacts;
  };
  const before = code(built('before'));
  assert.equal(code(built('route-changed', 'route')), before);
  assert.notEqual(code(built('migrate-changed', 'migrate')), before);
});

test('options that cannot be meant are refused', () => {
  assert.throws(() => deployment('local', { timeScale: '0' }), /timeScale must be a number above 0/);
  assert.throws(() => deployment('local', { timeScale: 'fast' }), /timeScale must be a number above 0/);
  assert.throws(() => deployment('dev', { extraCaFile: '/ca.pem' }), /extraCaFile is for the local profile/);
  assert.throws(() => deployment('local', { extraCaFile: 'ca.pem' }), /must be an absolute path/);
  assert.throws(() => deployment('local', { artifacts: '/nowhere' }), /artifacts: there is no \/nowhere/);
  assert.throws(() => deployment('dev', { architecture: 'arm' }), /Unknown architecture 'arm'/);
});

test('the architecture is a setting', () => {
  const stacks = deployment('dev', { architecture: 'x86_64' });
  assert.deepEqual(stacks.functions().get('route')?.Properties['Architectures'], ['x86_64']);
});

test('targets are the connectors whose manifest says target at its top', () => {
  assert.deepEqual(targetConnectors(join(FIXTURES, 'connectors')), TARGETS);
});

test('connectors that cannot have a queue are refused by name', () => {
  const connectors = join(folder, 'connectors');
  mkdirSync(join(connectors, 'Quick_Books'), { recursive: true });
  writeFileSync(join(connectors, 'Quick_Books', 'connector.yaml'), 'target: {}\n');
  assert.throws(() => targetConnectors(connectors), /Connector 'Quick_Books'/);
  writeFileSync(join(connectors, 'Quick_Books', 'connector.yaml'), 'target: {\n');
  assert.throws(() => targetConnectors(connectors), /connector\.yaml is not YAML/);
});

test('without any target the pipeline still stands', () => {
  const connectors = join(folder, 'none');
  mkdirSync(connectors);
  const variables = deployment('local', { connectors }).functions().get('route')?.Properties['Environment'].Variables;
  assert.equal(variables.OUTBOUND_QUEUES, '{}');
});
