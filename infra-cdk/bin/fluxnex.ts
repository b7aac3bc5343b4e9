// The CDK app: `cdk synth -c profile=<local|dev|staging|production>` (README.md lists every option).
import { App } from 'aws-cdk-lib';
import { FEATURE_FLAGS } from '../lib/feature-flags';
import { fluxnex } from '../lib/fluxnex';
import { UsageError } from '../lib/usage-error';

try {
  fluxnex(new App({ context: FEATURE_FLAGS }));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  // A stack trace would bury the one sentence that helps.
  console.error(`\n${error.message}\n`);
  process.exitCode = 1;
}
