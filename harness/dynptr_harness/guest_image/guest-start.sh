# Process 1 in the guest's root file system. Runs the agent, and powers off when it ends.

# For `shell` and `exec`: the guest has no other ls, cat, vi and so on. They are not on the agent's PATH.
/usr/bin/busybox mkdir -p /usr/local/bin
/usr/bin/busybox --install -s /usr/local/bin

/usr/bin/busybox sh /payload/agent-start.sh

# -f calls reboot(2) directly. A regular shutdown would read from disks that are already shut down.
/usr/bin/busybox poweroff -f
