#!/bin/sh
# Settings from files: QINGYU_X_FILE names the file that holds QINGYU_X, so that no secret stands in a container's
# description. Then the command.
set -eu
for name in $(env | sed -n 's/^\(QINGYU_[A-Z0-9_]*\)_FILE=.*/\1/p'); do
    eval "file=\$${name}_FILE"
    if [ ! -r "$file" ]; then
        echo "error: ${name}_FILE names $file, which cannot be read: run make up, which makes it" >&2
        exit 2
    fi
    value=$(cat "$file")
    export "$name=$value"
    unset "${name}_FILE"
done
exec "$@"
