// PostgreSQL, as functions see it: a secret, a way to log in, and the network it is reached through.
import { ArnFormat, Stack, aws_iam as iam } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import type { Use } from '../functions/use';
import { secretName } from '../names';
import type { Options } from '../options';
import { Aurora } from './aurora';

export interface Database {
  /** The function logs in to the database. */
  connects(): Use;
  /** The function calls applications from the addresses that functions with the database call from. */
  callsOut(): Use;
}

/** The database of the profile: Aurora in a network of its own, or one that somebody else runs. */
export function database(scope: Construct, id: string, options: Options): Database {
  const settings = options.profile.database;
  return settings.kind === 'aurora'
    ? new Aurora(scope, id, { options, settings })
    : new ExternalDatabase(scope, id, options);
}

/** A database that somebody else runs; its secret is made before the deploy. */
class ExternalDatabase extends Construct implements Database {
  constructor(
    scope: Construct,
    id: string,
    private readonly options: Options,
  ) {
    super(scope, id);
  }

  connects(): Use {
    const arn = Stack.of(this).formatArn({
      service: 'secretsmanager',
      resource: 'secret',
      resourceName: secretName(this.options.profile.name, 'database'),
      arnFormat: ArnFormat.COLON_RESOURCE_NAME,
    });
    return {
      environment: { DATABASE_SECRET_ARN: arn, DATABASE_AUTH: 'password' },
      statements: [
        new iam.PolicyStatement({
          actions: ['secretsmanager:GetSecretValue'],
          // Secrets Manager ends every ARN in six characters of its own.
          resources: [`${arn}-??????`],
        }),
      ],
    };
  }

  /** There is no network of the database's own. */
  callsOut(): Use {
    return {};
  }
}
