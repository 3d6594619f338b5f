"""The providers' official SDKs, unchanged, against the emulator over real sockets."""
