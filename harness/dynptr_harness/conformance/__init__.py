"""The expected behaviour: program types, cases, and the judge. Pure: no I/O, no QEMU."""
