/* A ring of three pages: the kernel does not create it. */
BPF_RINGBUF_OUTPUT(events, 3);

int any(void *ctx)
{
	return 0;
}
