# Runs the agent on the running kernel, with the guest image as its root. This shell has its own mount and network
# namespaces, so that mounts and network devices vanish when it ends. It removes the agent's cgroup itself.

root=$1 payload=$2 disturb=$3

mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount --bind "$payload" "$root/payload"
mount -t proc proc "$root/proc"
if [ -z "$disturb" ]; then # network settings belong to the namespace and stay writable
    mount --bind "$root/proc/sys/kernel" "$root/proc/sys/kernel"
    mount -o remount,bind,ro "$root/proc/sys/kernel"
fi
mount -t sysfs sysfs "$root/sys"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in full kmsg null random tty urandom zero; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done

chroot "$root" /usr/bin/busybox sh /payload/agent-start.sh
[ ! -d "$root/sys/fs/cgroup/dynptr-harness" ] || rmdir "$root/sys/fs/cgroup/dynptr-harness"
