DROP TABLE passkey_challenges, passkeys, passkey_handles;
