// npm run client-types: makes the declarations in this folder from src/client.
import { writeFileSync } from 'node:fs';
import { clientDeclarations } from '../src/client/testing/declarations.ts';

for (const [name, text] of clientDeclarations()) writeFileSync(new URL(name, import.meta.url), text);
