#!/usr/bin/env -S node --
import { keepCompiled } from '@vaultplane/shared/compile-cache.mjs';

// Before anything else is loaded: what was loaded before could not be kept.
keepCompiled();
await import('./program.ts');
