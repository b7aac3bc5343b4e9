// Schema migrations as a step of the deployment: before any function that needs the new schema is updated.
import { CustomResource, Duration } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import type { StageFunction } from '../functions/stage-function';
import type { Profile } from '../profiles';

export class Migrations extends Construct {
  readonly resource: CustomResource;

  /** `migrate` answers CloudFormation itself; a failure rolls the deployment back. */
  constructor(scope: Construct, id: string, profile: Profile, migrate: StageFunction) {
    super(scope, id);
    this.resource = new CustomResource(this, 'Resource', {
      resourceType: 'Custom::Migrations',
      serviceToken: migrate.function.functionArn,
      // CloudFormation waits an hour by default for a function that was killed.
      serviceTimeout: Duration.seconds(profile.functions.timeoutSeconds.migrate + 60),
      properties: {
        // The migrations are part of the function: other code is the reason to run them again.
        Code: migrate.codeFingerprint,
      },
    });
  }
}
