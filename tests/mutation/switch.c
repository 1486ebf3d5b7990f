/* The switch of the planted bugs: the kernel parameter dynptr_bug=ID, or the sysctl kernel.dynptr_bug. */
#include <linux/moduleparam.h>
#include <linux/sysctl.h>
int dynptr_bug;
core_param(dynptr_bug, dynptr_bug, int, 0444);

/* A bug stays on until the machine ends: the agent restores the sysctl after the request that set it. */
static int set_dynptr_bug(const struct ctl_table *sysctl, int write, void *buffer, size_t *length, loff_t *offset)
{
	int before = dynptr_bug;
	int error = proc_dointvec(sysctl, write, buffer, length, offset);

	if (write && !dynptr_bug)
		dynptr_bug = before;
	return error;
}

static struct ctl_table dynptr_bug_sysctls[] = {
	{
		.procname	= "dynptr_bug",
		.data		= &dynptr_bug,
		.maxlen		= sizeof(int),
		.mode		= 0644,
		.proc_handler	= set_dynptr_bug,
	},
};

static int __init add_dynptr_bug(void)
{
	register_sysctl("kernel", dynptr_bug_sysctls);
	return 0;
}
late_initcall(add_dynptr_bug);
