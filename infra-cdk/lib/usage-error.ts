// Faults that the caller of the app can put right: the message says how, and is all that is shown.
export class UsageError extends Error {}
