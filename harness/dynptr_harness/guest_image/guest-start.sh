# Process 1 of the guest's root file system, run by busybox: runs the agent, and powers off when it ends.
# Loopback is brought up by the agent.

# For people: the guest has no other ls, cat, vi and so on. The agent's own path does not have them.
/usr/bin/busybox mkdir -p /usr/local/bin
/usr/bin/busybox --install -s /usr/local/bin

/usr/bin/busybox sh /payload/agent-start.sh

# Straight into the system call: nothing may be read from the disks once they are shut down.
/usr/bin/busybox poweroff -f
