/* A FAKE libnvinfer: it says which version it is, which is not that of the fake bindings. */
int getInferLibVersion(void) { return VERSION; }
