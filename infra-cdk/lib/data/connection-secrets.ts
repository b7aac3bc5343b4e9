// Credentials of connections. They come and go with the tenants' connections, so the app only grants their names.
import { ArnFormat, Stack, aws_iam as iam } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import type { Use } from '../functions/use';
import { secretName } from '../names';
import type { Profile } from '../profiles';

export class ConnectionSecrets extends Construct {
  private readonly resource: string;

  constructor(scope: Construct, id: string, profile: Profile) {
    super(scope, id);
    this.resource = Stack.of(this).formatArn({
      service: 'secretsmanager',
      resource: 'secret',
      resourceName: secretName(profile.name, 'connections/*'),
      arnFormat: ArnFormat.COLON_RESOURCE_NAME,
    });
  }

  /** The function reads the credentials of connections. */
  reads(): Use {
    return this.use(['secretsmanager:GetSecretValue']);
  }

  /** The function reads them, and stores access tokens, and refresh tokens that the other side rotated. */
  rotates(): Use {
    return this.use(['secretsmanager:GetSecretValue', 'secretsmanager:PutSecretValue']);
  }

  /** The function makes them, changes them, ends them, and brings back what was ended. */
  manages(): Use {
    return this.use([
      'secretsmanager:CreateSecret',
      'secretsmanager:DeleteSecret',
      'secretsmanager:GetSecretValue',
      'secretsmanager:PutSecretValue',
      'secretsmanager:RestoreSecret',
    ]);
  }

  private use(actions: string[]): Use {
    return { statements: [new iam.PolicyStatement({ actions, resources: [this.resource] })] };
  }
}
