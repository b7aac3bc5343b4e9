// What differs between the places FluxNex runs in. Everything else is the same everywhere.
import { aws_logs as logs } from 'aws-cdk-lib';
import type { FunctionName } from './functions/catalogue';
import { UsageError } from './usage-error';

export const PROFILE_NAMES = ['local', 'dev', 'staging', 'production'] as const;
export type ProfileName = (typeof PROFILE_NAMES)[number];
export type ArchitectureName = 'arm64' | 'x86_64';

export interface Profile {
  readonly name: ProfileName;
  /** Keeps stateful resources when a stack is deleted, and refuses to delete databases and stacks. */
  readonly protects: boolean;
  readonly functions: {
    readonly architecture: ArchitectureName;
    readonly memoryMebibytes: number;
    readonly timeoutSeconds: Readonly<Record<FunctionName, number>>;
    readonly logRetention: logs.RetentionDays;
  };
  readonly eventSources: {
    /** For the layers L2 to L4; batches above 10 need a window of at least 1 s. */
    readonly bulk: { readonly batchSize: number; readonly windowSeconds: number };
    /** Upper bound of concurrent invocations per queue (2 to 1,000): it also bounds database connections. */
    readonly maximumConcurrency?: number;
  };
  readonly queues: {
    /** What sending takes. AWS asks `sqs:SendMessage` for batches too; the emulator has an action of its own. */
    readonly sendActions: readonly string[];
  };
  readonly workflows: {
    /** What answering a task token is allowed on. The emulator does not look whose token it is, and asks for all. */
    readonly tokensOf: 'machine' | 'all';
    /** Failed steps are written to a log group, without their data. The emulator writes none. */
    readonly logsFailures: boolean;
  };
  readonly schedules: {
    /** The group that permissions name. The emulator takes every schedule for one of the group `default`. */
    readonly permittedGroup: 'own' | 'default';
    /** What listing is allowed on: every schedule of the account; the emulator asks for all resources. */
    readonly listsOn: 'schedules' | 'all';
  };
  readonly payloads: {
    readonly retentionDays: number;
    /** Refuses plain HTTP. The emulator speaks nothing else, and honours the refusal. */
    readonly requiresTls: boolean;
  };
  readonly database: ExternalDatabase | AuroraDatabase;
  readonly edge: {
    /** Steady requests per second, and the burst above it, for the whole API and for its webhooks. */
    readonly api: Throttle;
    readonly webhooks: Throttle;
  };
}

export interface Throttle {
  readonly ratePerSecond: number;
  readonly burst: number;
}

/** A PostgreSQL that somebody else runs; found by the secret `fluxnex/<profile>/database`. No VPC. */
export interface ExternalDatabase {
  readonly kind: 'external';
}

/** Aurora Serverless v2 in a VPC of its own. */
export interface AuroraDatabase {
  readonly kind: 'aurora';
  /** Aurora capacity units (2 GiB each). 0 scales to zero, which a proxy would prevent. */
  readonly minimumCapacity: number;
  readonly maximumCapacity: number;
  /** A second instance in another availability zone that takes over within a minute. */
  readonly multiZone: boolean;
  /** RDS Proxy with IAM authentication; without it, functions log in with the secret's password. */
  readonly proxy: boolean;
  readonly backupDays: number;
  readonly network: Network;
}

export interface Network {
  /** How functions in the VPC reach targets and AWS. README.md has the prices. */
  readonly egress: 'nat-instance' | 'nat-gateway' | 'nat-gateway-per-zone';
  /** SQS and Secrets Manager without the NAT: pays off above about 830 GB a month, and outlives a NAT fault. */
  readonly interfaceEndpoints: boolean;
}

const AWS_TIMEOUTS: Readonly<Record<FunctionName, number>> = {
  ingest: 10,
  poll: 60,
  replicate: 30,
  normalise: 30,
  fetch: 60,
  route: 30,
  deliver: 60,
  sweep: 60,
  notify: 30,
  migrate: 300,
  api: 29,
};

// The emulator keeps a killed batch invisible for its whole visibility timeout, which is six of these.
const LOCAL_TIMEOUTS: Readonly<Record<FunctionName, number>> = {
  ingest: 10,
  poll: 10,
  replicate: 15,
  normalise: 15,
  fetch: 15,
  route: 15,
  deliver: 20,
  sweep: 20,
  notify: 15,
  migrate: 60,
  api: 29,
};

const AWS_FUNCTIONS = {
  architecture: 'arm64',
  memoryMebibytes: 256,
  timeoutSeconds: AWS_TIMEOUTS,
  logRetention: logs.RetentionDays.ONE_MONTH,
} as const;

// Outlives every queue, wait and hold that may still name a payload.
const PAYLOADS = { retentionDays: 400, requiresTls: true } as const;
const QUEUES = { sendActions: ['sqs:SendMessage'] } as const;
const WORKFLOWS = { tokensOf: 'machine', logsFailures: true } as const;
const SCHEDULES = { permittedGroup: 'own', listsOn: 'schedules' } as const;

const PROFILES: Readonly<Record<ProfileName, Profile>> = {
  local: {
    name: 'local',
    protects: false,
    functions: { ...AWS_FUNCTIONS, architecture: 'x86_64', timeoutSeconds: LOCAL_TIMEOUTS },
    eventSources: { bulk: { batchSize: 10, windowSeconds: 0 } },
    queues: { sendActions: [...QUEUES.sendActions, 'sqs:SendMessageBatch'] },
    workflows: { tokensOf: 'all', logsFailures: false },
    schedules: { permittedGroup: 'default', listsOn: 'all' },
    payloads: { ...PAYLOADS, requiresTls: false },
    database: { kind: 'external' },
    edge: { api: { ratePerSecond: 1000, burst: 2000 }, webhooks: { ratePerSecond: 1000, burst: 2000 } },
  },
  dev: {
    name: 'dev',
    protects: false,
    functions: { ...AWS_FUNCTIONS, logRetention: logs.RetentionDays.ONE_WEEK },
    eventSources: { bulk: { batchSize: 100, windowSeconds: 1 }, maximumConcurrency: 5 },
    queues: QUEUES,
    workflows: WORKFLOWS,
    schedules: SCHEDULES,
    payloads: PAYLOADS,
    database: {
      kind: 'aurora',
      minimumCapacity: 0,
      maximumCapacity: 2,
      multiZone: false,
      proxy: false,
      backupDays: 1,
      network: { egress: 'nat-instance', interfaceEndpoints: false },
    },
    edge: { api: { ratePerSecond: 50, burst: 100 }, webhooks: { ratePerSecond: 50, burst: 100 } },
  },
  staging: {
    name: 'staging',
    protects: false,
    functions: AWS_FUNCTIONS,
    eventSources: { bulk: { batchSize: 100, windowSeconds: 1 }, maximumConcurrency: 10 },
    queues: QUEUES,
    workflows: WORKFLOWS,
    schedules: SCHEDULES,
    payloads: PAYLOADS,
    database: {
      kind: 'aurora',
      minimumCapacity: 0.5,
      maximumCapacity: 4,
      multiZone: false,
      proxy: true,
      backupDays: 7,
      network: { egress: 'nat-gateway', interfaceEndpoints: false },
    },
    edge: { api: { ratePerSecond: 100, burst: 200 }, webhooks: { ratePerSecond: 500, burst: 1000 } },
  },
  production: {
    name: 'production',
    protects: true,
    functions: AWS_FUNCTIONS,
    eventSources: { bulk: { batchSize: 100, windowSeconds: 1 }, maximumConcurrency: 50 },
    queues: QUEUES,
    workflows: WORKFLOWS,
    schedules: SCHEDULES,
    payloads: PAYLOADS,
    database: {
      kind: 'aurora',
      minimumCapacity: 1,
      maximumCapacity: 32,
      multiZone: true,
      proxy: true,
      backupDays: 35,
      network: { egress: 'nat-gateway-per-zone', interfaceEndpoints: true },
    },
    edge: { api: { ratePerSecond: 200, burst: 400 }, webhooks: { ratePerSecond: 2000, burst: 4000 } },
  },
};

/** The profile of that name; a missing or unknown name is refused with the names there are. */
export function profileNamed(name: string | undefined): Profile {
  const known = PROFILE_NAMES.find((candidate) => candidate === name);
  if (known !== undefined) return PROFILES[known];
  const choices = `-c profile=<${PROFILE_NAMES.join('|')}>`;
  throw new UsageError(
    name === undefined ? `No profile given: use ${choices}` : `Unknown profile '${name}': use ${choices}`,
  );
}
