# Mounts the kernel's file systems and runs the agent until it ends. busybox runs this in the guest's root.

export PATH=/usr/sbin:/usr/bin

mount_at() { # TYPE DIRECTORY [OPTIONS]
    busybox mkdir -p "$2"
    busybox mount -t "$1" -o "${3:-rw}" "$1" "$2" || echo "dynptr-harness: cannot mount $1 on $2"
}

mount_at devpts /dev/pts
mount_at tmpfs /dev/shm
mount_at tmpfs /tmp mode=1777
mount_at tmpfs /run
mount_at cgroup2 /sys/fs/cgroup
mount_at bpf /sys/fs/bpf
mount_at tracefs /sys/kernel/tracing
mount_at debugfs /sys/kernel/debug
mount_at securityfs /sys/kernel/security

cd /tmp
busybox env -i \
    HOME=/root LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin TMPDIR=/tmp \
    PYTHONPATH=/payload PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PYTHONFAULTHANDLER=1 PYTHON_COLORS=0 \
    BCC_KERNEL_SOURCE=/payload/bcc_headers DYNPTR_HARNESS_PORTS="$DYNPTR_HARNESS_PORTS" \
    python3 -m dynptr_harness.guest < /dev/null
echo "dynptr-harness: the agent ended with status $?"
