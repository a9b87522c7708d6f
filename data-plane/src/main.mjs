#!/usr/bin/env -S node --disable-sigusr1 --
import { keepCompiled } from '@vaultplane/shared/compile-cache.mjs';
import { findOwnModules } from '@vaultplane/shared/own-modules.mjs';

// Before anything else is loaded: what was loaded before could not be kept.
keepCompiled();
findOwnModules();
await import('./program.ts');
