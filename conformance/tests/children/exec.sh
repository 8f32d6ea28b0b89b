#!/bin/sh
# A process a request: the operation is the last argument; the frame on stdin is a JSON line.
read -r line
id=${line#*\"id\":}
id=${id%%,*}
case $1 in
hello) echo "{\"id\":$id,\"ok\":{\"acp\":1,\"name\":\"sh\",\"specs\":[\"0.4\"],\"ops\":[\"yes\",\"no\",\"die\",\"hang\",\"twice\",\"text\",\"blob\"]}}" ;;
yes) echo "{\"id\":$id,\"ok\":{}}" ;;
no) echo "{\"id\":$id,\"err\":{\"code\":\"decode\"}}" ;;
blob) echo "{\"id\":$id,\"ok\":{},\"parts\":[{\"name\":\"p\",\"len\":3}],\"blob\":\"YWJj\"}" ;;
die) echo "so long" >&2; exit 4 ;;
late) echo "{\"id\":$id,\"ok\":{}}"; exit 5 ;;
hang) sleep 1000 ;;
twice) echo "{\"id\":$id,\"ok\":{}}"; echo "{\"id\":$id,\"ok\":{}}" ;;
text) echo "hello there" ;;
*) echo "{\"id\":$id,\"unsupported\":\"$1\"}" ;;
esac
