/**
 * Where the data plane is. What is not given comes from the data plane's own settings in this program's environment
 * (`VAULTPLANE_API_UNIX_SOCKET`, `VAULTPLANE_API_LISTEN`, `VAULTPLANE_API_SSL_CERT`, `VAULTPLANE_API_TOKEN_FILE`,
 * `VAULTPLANE_DATA_DIR`), and else is where a data plane is by default: http://127.0.0.1:2773 and ./data/dp/api-token.
 */
export interface ConnectOptions {
    /** Its api_listen as a URL, such as http://127.0.0.1:2773 */
    url?: string | URL;
    /** Its api_unix_socket. */
    socketPath?: string;
    /** PEM of the certificate, or authority, that an https data plane must show. */
    ca?: string;
    /** The token itself, in place of a file. */
    token?: string;
    /** The file with the token, which is read again when it was replaced. */
    tokenFile?: string;
    /** Milliseconds that an answer may take; 10000 unless given. */
    timeoutMs?: number;
    /** Milliseconds that a lookup waits for a data plane that is not there, since it may be starting again; 3000 unless given. */
    patienceMs?: number;
    /** Values held in memory at most; 1000 unless given. Those not used for longest go first. */
    maxHeld?: number;
}
