# Runs the agent on the running kernel, with the guest image as its root. It has mount and network namespaces
# of its own, so that all that is mounted and configured here is gone with it; and it makes a control group,
# which is removed here.

root=$1 payload=$2 disturb=$3

mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount --bind "$payload" "$root/payload"
mount -t proc proc "$root/proc"
if [ -z "$disturb" ]; then # settings of the whole kernel; those of the network are this namespace's own
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
