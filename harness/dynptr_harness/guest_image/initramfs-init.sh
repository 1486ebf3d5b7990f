#!/bin/busybox sh
# Process 1 of every guest. Loads the boot modules, mounts a writable root over the read-only disks, and runs
# guest-start.sh. The disks: vda root, vdb payload, vdc modules (missing if the kernel has no modules). The
# agent mounts the disk with the serial number "share".

export PATH=/bin
/bin/busybox --install -s /bin

fail() {
    echo "dynptr-harness: boot failed: $1"
    poweroff -f
}

mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys

read -r arguments < /proc/cmdline
case " $arguments " in
*" dynptr_harness.probe "*)
    echo "dynptr-harness: user space reached"
    poweroff -f
    ;;
esac

for module in /modules/*; do
    [ -e "$module" ] || continue
    insmod "$module" || echo "dynptr-harness: cannot load $module"
done

missing=
for driver in pci/drivers/virtio-pci virtio/drivers/virtio_blk virtio/drivers/virtio_console; do
    [ -d "/sys/bus/$driver" ] || missing="$missing ${driver##*/}"
done
for system in erofs overlay tmpfs; do
    grep -qw "$system" /proc/filesystems || missing="$missing $system"
done
[ -z "$missing" ] || fail "this kernel has no$missing: build that in, or give its modules with --modules"

mkdir -p /lower /layer /newroot
[ -b /dev/vda ] || fail "no disk /dev/vda"
mount -t erofs -o ro /dev/vda /lower || fail "mount /dev/vda on /lower (erofs)"
mount -t tmpfs tmpfs /layer || fail "mount tmpfs on /layer"
mkdir /layer/upper /layer/work
mount -t overlay -o lowerdir=/lower,upperdir=/layer/upper,workdir=/layer/work overlay /newroot ||
    fail "mount overlay on /newroot"

mkdir -p /newroot/dev /newroot/proc /newroot/sys /newroot/tmp /newroot/payload
mount -t erofs -o ro /dev/vdb /newroot/payload || fail "mount /dev/vdb on /payload (erofs)"
if [ -b /dev/vdc ] && [ "$(cat /sys/block/vdc/serial)" != share ]; then
    modules=/newroot/usr/lib/modules/$(uname -r)
    mkdir -p "$modules"
    mount -t erofs -o ro /dev/vdc "$modules" || fail "mount /dev/vdc on $modules (erofs)"
fi

for directory in dev proc sys; do
    mount --move "/$directory" "/newroot/$directory"
done
exec switch_root /newroot /usr/bin/busybox sh /payload/guest-start.sh
