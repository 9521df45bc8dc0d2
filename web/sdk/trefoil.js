//! The browser SDK's front door: everything that an application may import.
export { join } from './join.js';
export { Room } from './room.js';
export { TrefoilError } from './errors.js';
export { listDevices, onDevicesChanged, openCamera, openMicrophone, openScreen } from './media.js';
export { sha256 } from './sha256.js';
