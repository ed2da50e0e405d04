/* `nodewatch run`: the daemon on real logs; without nodes it explains itself. */
#include <stdio.h>

#include "app/commands.h"
#include "app/daemon.h"
#include "app/log.h"

int command_fail(const struct err *err)
{
    fprintf(stderr, "nodewatch: %s\n", err->text);
    return err->code == ERR_USAGE ? EXIT_USAGE : EXIT_FAILED;
}

int command_run(struct config *config)
{
    if (config->operand_count) {
        fprintf(stderr, "nodewatch: run takes no \"%s\"; a node is given as --node NAME=LOG\n",
                config->operands[0]);
        return EXIT_USAGE;
    }
    if (!config->node_count) {
        fprintf(stderr,
                "nodewatch run follows the logs of your nodes. Tell it at least one:\n\n"
                "  nodewatch run --node home=/path/to/storagenode.log\n\n"
                "then open http://%s. More nodes: more --node, or a file with -c (see\n"
                "etc/nodewatch.yaml). To look around without a node: nodewatch demo\n",
                config->web_listen);
        return EXIT_USAGE;
    }
    return daemon_run(config, false, NULL);
}
