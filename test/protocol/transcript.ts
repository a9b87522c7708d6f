import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** One message of a recorded link: who sent it, what it is, and its bytes in base64. */
export interface RecordedMessage {
  from: 'control_plane' | 'data_plane';
  type: string;
  bytes: string;
}

/** One link of a release, with all its messages in the order in which they were sent: kept for the releases after it. */
export interface Transcript {
  /** The program version of both sides. */
  release: string;
  protocol: number;
  messages: RecordedMessage[];
}

const FOLDER = fileURLToPath(new URL('./transcripts/', import.meta.url));

/** Of every release so far. */
export function transcripts(): Transcript[] {
  return readdirSync(FOLDER)
    .filter((file) => file.endsWith('.json'))
    .map((file) => JSON.parse(readFileSync(FOLDER + file, 'utf8')) as Transcript);
}

export function transcriptFile(release: string): string {
  return `${FOLDER}${release}.json`;
}

export function messagesFrom({ messages }: Transcript, from: RecordedMessage['from']): RecordedMessage[] {
  return messages.filter((message) => message.from === from);
}
