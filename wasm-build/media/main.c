#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
int main(void) { AVFormatContext *c = avformat_alloc_context(); avformat_open_input(&c, "x", 0, 0); const AVCodec *d = avcodec_find_decoder(AV_CODEC_ID_AAC); AVCodecContext *a = avcodec_alloc_context3(d); return avcodec_open2(a, d, 0) + avcodec_receive_frame(a, 0) + avcodec_send_packet(a,0); }
