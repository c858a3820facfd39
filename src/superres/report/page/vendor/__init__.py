"""Scripts of others that a page carries, unchanged: `envs/vendor.sh` fetches them."""
