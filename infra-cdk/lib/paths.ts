// Where things lie in the repository. Compiled files run from `infra-cdk/dist/`.
import { join, resolve } from 'node:path';

/** The folder `infra-cdk/`. */
export const PROJECT = resolve(__dirname, '..', '..');

/** The root of the repository. */
export const REPOSITORY = join(PROJECT, '..');
