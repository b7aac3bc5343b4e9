// Schema migrations outside a deployment: a new tenant gets its schema when its configuration is applied.
import { aws_iam as iam } from 'aws-cdk-lib';
import type { StageFunction } from '../functions/stage-function';
import type { Use } from '../functions/use';

/** The function invokes `migrate`, and learns its name. */
export function migratesTenants(migrate: StageFunction): Use {
  return {
    environment: { MIGRATE_FUNCTION: migrate.function.functionName },
    statements: [
      new iam.PolicyStatement({ actions: ['lambda:InvokeFunction'], resources: [migrate.function.functionArn] }),
    ],
  };
}
