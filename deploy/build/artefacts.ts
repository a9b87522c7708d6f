import type { Artefact } from './artefact.ts';
import { clientPackage } from './client-package.ts';
import { emulatorPackage } from './emulator-package.ts';
import { npmPackage } from './npm-package.ts';

/** All that a build makes, in this order. A new one is a module of its own and a line here. */
export const ARTEFACTS: readonly Artefact[] = [npmPackage, clientPackage, emulatorPackage];
