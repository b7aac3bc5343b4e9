// What must not be lost: the database, the control table and the payloads.
import { Stack, type StackProps } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { ControlTable } from '../data/control-table';
import { type Database, database } from '../data/database';
import { PayloadBucket } from '../data/payload-bucket';
import type { Options } from '../options';

export class DataStack extends Stack {
  readonly control: ControlTable;
  readonly payloads: PayloadBucket;
  readonly database: Database;

  constructor(scope: Construct, id: string, options: Options, props: StackProps) {
    super(scope, id, props);
    this.control = new ControlTable(this, 'Control', options.profile);
    this.payloads = new PayloadBucket(this, 'Payloads', options.profile);
    this.database = database(this, 'Database', options);
  }
}
