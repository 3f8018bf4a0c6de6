"""A bundle on a device: enrol a folder, watch a camera, answer over HTTP."""
