//! The connector engine: one engine runs every manifest through one guarded HTTP client.
