// Trust in Amazon RDS's certificate authorities, for functions that reach Aurora without a proxy.
// Aurora itself shows a certificate of authorities that no public root vouches for; RDS Proxy shows a public one.
import { Stack, aws_lambda as lambda } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import { basename, dirname } from 'node:path';
import { refuseDeployment } from '../deployment-guard';
import type { Use } from '../functions/use';

export class DatabaseCertificates extends Construct {
  private readonly use: Use;

  /** `file` is Amazon's `global-bundle.pem`; without it the stack cannot be deployed. */
  constructor(scope: Construct, id: string, file: string | undefined) {
    super(scope, id);
    if (file === undefined) {
      this.use = {};
      refuseDeployment([Stack.of(this)], {
        parameter: 'DatabaseCertificatesAreMissing',
        reason:
          'functions of this profile reach Aurora without a proxy and must trust Amazon RDS; ' +
          'pass its global-bundle.pem with -c databaseCertificates=<file>',
      });
      return;
    }
    const layer = new lambda.LayerVersion(this, 'Layer', {
      description: 'Certificate authorities of Amazon RDS',
      code: lambda.Code.fromAsset(dirname(file), { exclude: ['**', `!${basename(file)}`] }),
    });
    this.use = { environment: { EXTRA_CA_FILE: `/opt/${basename(file)}` }, layers: [layer] };
  }

  /** The function trusts them besides the public roots. */
  trusted(): Use {
    return this.use;
  }
}
