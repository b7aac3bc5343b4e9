// Physical names. They are fixed, so that runbooks, the platform command and IAM policies can say them.
import type { FunctionName } from './functions/catalogue';
import type { ProfileName } from './profiles';

/** `fluxnex-<profile>-<name>`: functions, queues, tables, rules. */
export function physicalName(profile: ProfileName, name: string): string {
  return `fluxnex-${profile}-${name}`;
}

/** `fluxnex-<profile>`: the group of the schedules. */
export function scheduleGroupName(profile: ProfileName): string {
  return `fluxnex-${profile}`;
}

/** `FluxNex-<profile>-<part>`: stacks. */
export function stackName(profile: ProfileName, part: 'Data' | 'Pipeline' | 'Edge'): string {
  return `FluxNex-${profile}-${part}`;
}

/** `fluxnex/<profile>/<name>`: secrets. */
export function secretName(profile: ProfileName, name: string): string {
  return `fluxnex/${profile}/${name}`;
}

/** The function that belongs to the folder `functions/<name>`. */
export function functionName(profile: ProfileName, name: FunctionName): string {
  return physicalName(profile, name);
}

/** `inbound-gateway` as `InboundGateway`: names in templates. */
export function pascalCase(name: string): string {
  return name
    .split('-')
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('');
}
