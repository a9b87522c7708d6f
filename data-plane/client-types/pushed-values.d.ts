/**
 * How the client hears of rotations: `idle` before a value was asked for; `connected`: values are answered from memory, and
 * are what the data plane has; `connecting` and `disconnected`: it is asked, and what is held stands in only for as long
 * as it is fresh.
 */
export type ClientState = 'idle' | 'connecting' | 'connected' | 'disconnected';
