// The functions there are: one crate, one zip and one role each.
export const FUNCTION_NAMES = [
  'ingest',
  'poll',
  'replicate',
  'normalise',
  'fetch',
  'route',
  'deliver',
  'sweep',
  'notify',
  'migrate',
  'api',
] as const;

export type FunctionName = (typeof FUNCTION_NAMES)[number];
